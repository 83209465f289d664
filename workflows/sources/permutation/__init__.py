"""Permutation importance of a scikit-learn style model in the registry, which is loaded in a process of its own."""
