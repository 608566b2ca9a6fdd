"""What the adapters share: the fields of JSON objects, and one HTTP request."""
