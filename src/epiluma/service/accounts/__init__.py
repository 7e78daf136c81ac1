"""Users, the clinics they belong to, and signing in."""
