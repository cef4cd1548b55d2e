#!/bin/sh
# Says which context it runs in.
printf 'Content-Type: text/html; charset=utf-8\n\n'
printf '<!doctype html>\n<html lang="en">\n<title>A CGI script</title>\n'
printf '<link rel="stylesheet" href="/style.css">\n<h1>A CGI script</h1>\n'
printf '<p>You are <b>%s</b>, and this script runs in <code>' "${REMOTE_USER:-anonymous}"
perl /var/www/demo/lib/context.pl
printf '</code>.\n<p><a href="/">Back</a>\n'
