#!/bin/sh
# Cloudflare's ranges → deploy/nginx/dailey/cloudflare-ranges.conf. Look at it a few times a year:
#   { curl -fsS https://www.cloudflare.com/ips-v4; echo; curl -fsS https://www.cloudflare.com/ips-v6; } | deploy/nginx/ranges.sh
# One network a line on standard input. Anything else is refused and nothing printed, since this decides whom to believe.
set -eu
lines=$(
    while IFS= read -r range || [ -n "$range" ]; do
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
)
[ -n "$lines" ] || { echo "ranges.sh: no network on standard input" >&2; exit 1; }
printf '# Networks of Cloudflare, from https://www.cloudflare.com/ips-v4 and ips-v6. Made by deploy/nginx/ranges.sh.\n%s\n' "$lines"
