# shellcheck shell=bash
# Heroku reads this before it runs a command of the Procfile: docs/hosted.md.

# A config var is in the environment, which every process hands on: the key moves to a file.
: "${SECRET_KEY:?is not set; make one: heroku config:set SECRET_KEY=\"\$(openssl rand -base64 48)\"}"
(umask 077 && printf %s "$SECRET_KEY" >"$HOME/.secret_key")
unset SECRET_KEY
export APP_SECRET_KEY_FILE=$HOME/.secret_key

# The router is the one proxy; the disk, and what is on it, ends with the dyno.
export APP_PROXY_HOPS=1 APP_DATA_FOLDER=$HOME/data APP_STATIC_FOLDER=$HOME/static
export APP_TRANSPORT="HTTP over TCP" APP_SERVER=gunicorn
