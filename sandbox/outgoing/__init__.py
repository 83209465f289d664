"""What Slack sends to the app: signed HTTP, Socket Mode, events with their retries."""
