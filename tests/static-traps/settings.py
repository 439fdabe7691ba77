"""trap: settings.py must not be served"""
