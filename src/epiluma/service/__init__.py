"""The web page: photos come in, screenings are shown, kept and deleted (Django)."""
