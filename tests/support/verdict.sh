# shellcheck shell=bash disable=SC2034
# PASS and FAIL lines, as tools/test counts them. failed is 1 once anything failed.
failed=0
verdict() { # verdict STATUS NAME DETAIL
  if [ "$1" = 0 ]; then
    echo "PASS $2"
  else
    echo "FAIL $2: $3"
    failed=1
  fi
}
