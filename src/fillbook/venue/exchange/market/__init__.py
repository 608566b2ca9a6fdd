"""What is listed, when it trades and at what price."""
