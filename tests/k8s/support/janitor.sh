# Ends what a run of the tests has started, whatever became of the run: passed, failed or killed.
#
# usage: janitor.sh DIRECTORY    (process ids, one a line, on standard input)
#
# The end of its input is the end of the run, as only that holds the other end of the pipe.
trap '' HUP INT TERM
while read -r pid; do
  pids="$pid $pids"
done
for pid in $pids; do
  kill -TERM "$pid" 2>/dev/null
done
for pid in $pids; do
  # Until the run's own parent has collected it, an ended process is a zombie.
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -e "/proc/$pid/exe" ] || break
    sleep 1
  done
  kill -KILL "$pid" 2>/dev/null
done
rm -rf "$1"
