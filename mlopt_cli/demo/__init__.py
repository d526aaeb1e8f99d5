"""The demo's own job and data: a program that knows nothing of mlopt, and the maker of what it reads."""
