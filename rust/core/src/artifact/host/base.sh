#!/bin/sh
# deployctl's program on the host for artifacts: fetches one beside what is in use, and switches nothing.
#
#   sh /var/lib/deployctl/artifacts/JOB/stage.sh status      says how far it is
#   sh /var/lib/deployctl/artifacts/JOB/stage.sh start       starts it, or goes on where it was
#   sh /var/lib/deployctl/artifacts/JOB/stage.sh receive     the same, with files on standard input that the controller sends
#
# Joined from several files; the shell reads all of it before the last line starts it. Needs GNU's coreutils and findutils, flock,
# systemd or launchd, and curl for what comes over HTTPS; openssl is used where it is.
#
# Paths, names, hashes and URLs come from a charset without blanks, quotes and glob characters. Backquotes in messages are for
# people.
# shellcheck disable=SC2016,SC2317
set -u
LC_ALL=C
export LC_ALL
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
manager=systemd
if [ -d /System/Library/LaunchDaemons ]; then
  # The tools of macOS are not GNU's, so there the system's come first; and its curl knows other certificates.
  manager=launchd
  PATH=/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:$PATH
  CURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
  export CURL_CA_BUNDLE
else
  PATH=$PATH:/run/wrappers/bin:/run/current-system/sw/bin
fi
export PATH

J=${0%/*}     # folder of this job
A=${J%/*}     # folder of all jobs
S=${A%/*}     # deployctl's state

# read_line FILE: its first line in $line, or nothing.
read_line() {
  line=
  if [ -r "$1" ]; then IFS= read -r line <"$1" || :; fi
}

# write_line FILE LINE: replaces FILE at once.
write_line() {
  { printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; } 2>/dev/null
}

# one_line TEXT: text of other programs, in one line.
one_line() {
  printf '%s' "$1" | tr '\n\t' '  ' | tr -d '\000-\037\177' | cut -c 1-300
}

tell() { printf '==> %s\n' "$*"; }

# deny TEXT HINT: writes down why the job cannot come to its end.
deny() {
  printf '%s\n%s\n' "$(one_line "$1")" "$2" >"$J/failure"
  write_line "$J/phase" failed
}

# fail TEXT HINT: ends the job (always in the unit).
fail() {
  printf 'failed: %s\n' "$1"
  deny "$1" "$2"
  exit 1
}

# human KIB: in $human.
human() {
  if [ "$1" -ge 1048576 ]; then
    human="$(($1 / 1048576)).$(($1 % 1048576 * 10 / 1048576)) GiB"
  else
    human="$(($1 / 1024)).$(($1 % 1024 * 10 / 1024)) MiB"
  fi
}

# size_of PATH: bytes of a regular file in $size, or nothing.
size_of() {
  size=
  if [ -f "$1" ] && [ ! -h "$1" ]; then size=$(stat -c %s -- "$1") || size=; fi
}

w_kind='' w_name='' w_base='' w_digest='' w_url='' w_directory='' w_upload='' w_credential='' w_total=0 w_min_free='' w_mount='' w_build=''
read_wanted() {
  while read -r key value more; do
    case $key in
      kind) w_kind=$value ;;
      name) w_name=$value ;;
      base) w_base=$value ;;
      digest) w_digest=$value ;;
      url) w_url=$value ;;
      directory) w_directory=$value ;;
      upload) w_upload=$value ;;
      credential) w_credential=$value ;;
      build) w_build=$value ;;
      total) w_total=$value ;;
      min_free) w_min_free=$value w_mount=$more ;;
      file) break ;;
    esac
  done <"$J/wanted"
  whole=$w_base/releases/$w_digest
  part=$whole.part
  cache=$w_base/cache
  # Where its files go. What a release is made of is not part of it.
  into=$part
  if [ -n "$w_build" ]; then into=$cache/fetched; fi
}

# wanted_files: `SHA256 SIZE PATH` a line.
wanted_files() { sed -n 's/^file //p' "$J/wanted"; }
