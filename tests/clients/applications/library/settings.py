import os

SECRET_KEY = "a library"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.postgres", "books"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["DATABASE_HOST"],
        "NAME": "books",
        "USER": "ada",
        "PASSWORD": os.environ["DATABASE_PASSWORD"],
        "OPTIONS": {"sslmode": "verify-full", "sslrootcert": os.environ["DATABASE_AUTHORITY"]},
    }
}
