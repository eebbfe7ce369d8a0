"""Command line of `lib.tweets`."""

from lib.tweets import main

main()
