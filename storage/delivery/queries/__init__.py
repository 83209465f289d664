"""Every look at the tables of delivery, and every change that is not an insert. Statements are built once, at import."""
