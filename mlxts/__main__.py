"""`python -m mlxts` is the command line too."""

from mlxts.cli import main

if __name__ == "__main__":
    main()
