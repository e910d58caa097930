"""The command line, a module for each kind of command. Here alone layers are imported when a command runs."""
