"""What the library does to an account by itself, planned: values in, a plan out."""
