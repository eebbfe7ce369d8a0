"""Command line of `lib.consumer`."""

from lib.consumer import main

main()
