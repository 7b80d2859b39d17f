#!/bin/sh
# Cloudflare's ranges → deploy/nginx/dailey/cloudflare-ranges.conf. Look at it a few times a year:
#   { curl -fsS https://www.cloudflare.com/ips-v4; echo; curl -fsS https://www.cloudflare.com/ips-v6; } | deploy/nginx/ranges.sh
# One network a line on standard input; anything else is refused, since it would decide whom to believe.
set -eu
ranges=$(cat)
[ -n "$ranges" ] || { echo "ranges.sh: nothing on standard input" >&2; exit 1; }
printf '# Networks of Cloudflare, from https://www.cloudflare.com/ips-v4 and ips-v6. Made by deploy/nginx/ranges.sh.\n'
printf '%s\n' "$ranges" | while IFS= read -r range; do
    case $range in
    '') continue ;;
    *[!0-9a-f:./]* | */*/* | */ | /* | */0 | */[1-7]) ;;
    *.*.*.*/[0-9] | *.*.*.*/[0-9][0-9] | *:*/[0-9][0-9] | *:*/[0-9][0-9][0-9])
        printf 'set_real_ip_from %s;\n' "$range"
        continue
        ;;
    esac
    echo "ranges.sh: a line is not a network like 192.0.2.0/24" >&2
    exit 1
done
