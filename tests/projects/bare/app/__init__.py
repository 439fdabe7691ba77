"""A package that has the name of ours."""
