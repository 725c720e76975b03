#!/bin/sh
# A fence for a primary on this host: ends the process, and succeeds only once it is gone.
kill -9 "$1" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 "$1" 2>/dev/null || exit 0
    sleep 0.2
done
exit 1
