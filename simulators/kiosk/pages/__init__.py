"""The kiosk in the browser."""
