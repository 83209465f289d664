"""`python -m sandbox`."""

from sandbox.standalone import main

if __name__ == "__main__":
    main()
