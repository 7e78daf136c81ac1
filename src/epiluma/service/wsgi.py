"""The application that the server's worker processes run."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epiluma.service.settings")
application = get_wsgi_application()
