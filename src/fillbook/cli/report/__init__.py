"""`fillbook report`: the record as one HTML file, which needs no network and no script."""
