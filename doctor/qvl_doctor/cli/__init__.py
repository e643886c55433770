"""The command line: arguments in, one road, text and an exit code out."""
