"""Command line of `lib.producer`."""

from lib.producer import main

main()
