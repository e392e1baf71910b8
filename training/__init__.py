"""How the weights that ship with Citespan were made."""
