"""What people and monitoring systems read."""
