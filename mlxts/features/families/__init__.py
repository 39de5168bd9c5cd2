"""The families of the catalog, one table each."""
