"""The recipes that ship, each usable by its name."""
