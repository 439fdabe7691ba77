trap: app.py must not be served
