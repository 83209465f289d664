"""How the house is to live in, in figures that tests hold."""
