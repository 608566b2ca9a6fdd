"""The commands of the HTTP service, its tokens and the alerts."""
