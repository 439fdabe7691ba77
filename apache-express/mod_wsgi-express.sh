#!/bin/bash
# httpd as mod_wsgi-express sets it up; the arguments are httpd's own: -D FOREGROUND, or -t.
set -euo pipefail

# Of each httpd its own, as servers/httpd.py has two for a while.
root=${APACHE_PID_FILE%.pid}

options=(
    # Its own port is shut by the site file, which opens those of the site.
    --host 127.0.0.1 --port 8000
    --include-file /etc/apache2/sites-available/app.conf
    --server-root "$root" --pid-file "$APACHE_PID_FILE" --log-directory "$APACHE_LOG_DIR" --error-log-name error.log
    --mime-types /etc/mime.types
    --user "$APACHE_RUN_USER" --group "$APACHE_RUN_GROUP" --working-directory /srv/app --python-path /srv/app
    # threads: as many as httpd's, for who sends a body slowly holds one. Default: 1 and 5
    --processes "${WEB_CONCURRENCY:-2}" --threads 128
    --server-mpm event
    # How long the application may let httpd wait, then 504. Not --request-timeout, which ends the whole process.
    --socket-timeout 60 --request-timeout 0
    # What a request may still take when its process is to end; default: 5 s
    --shutdown-timeout 30
    --chunked-request
    # The site file and the application have figures of their own; default: 10 MiB, but see "Limits" there.
    --limit-request-body 0
    # A reload is servers/httpd.py's business.
    --disable-reloading
)
# What servers/httpd.py defines is an option above, and its spaces would not outlast apachectl.
[ "$1" != -C ] || shift 2
mkdir -p "$root"
/srv/app/venv/bin/mod_wsgi-express setup-server /srv/apache/app.wsgi "${options[@]}" >/dev/null
exec bash "$root/apachectl" "$@"
