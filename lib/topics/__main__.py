"""Command line of `lib.topics`."""

from lib.topics import main

main()
