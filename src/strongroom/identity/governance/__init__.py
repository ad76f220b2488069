"""What people ask for, who approves it, and what they are granted."""
