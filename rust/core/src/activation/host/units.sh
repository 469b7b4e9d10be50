# --- units ----------------------------------------------------------------------------------------------------------

# unit_states UNIT…: a line `UNIT ACTIVE FILE-STATE LOAD ID` each, `-` for nothing. ID is another name where UNIT is an
# alias. systemd answers in the order asked.
unit_states() {
  systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState -- "$@" >"$D/.units" || return 1
  exec 3<"$D/.units"
  for us_unit in "$@"; do
    us_load=- us_active=- us_file=- us_id=$us_unit
    while IFS='=' read -r key value; do
      case $key in
        Id) us_id=${value:-$us_unit} ;;
        LoadState) us_load=$value ;;
        ActiveState) us_active=$value ;;
        UnitFileState) us_file=${value:--} ;;
        '') break ;;
      esac
    done <&3
    printf '%s %s %s %s %s\n' "$us_unit" "$us_active" "$us_file" "$us_load" "$us_id"
  done
  exec 3<&-
}

# real_name UNIT: its own name in $real where UNIT is an alias, which systemd neither enables nor disables, and which goes
# along with the unit that it names. Sets $un_active and $un_load to the state now, or to the earlier one if it is not loaded.
real_name() {
  real=$1 un_active=- un_load=-
  unit_states "$1" >"$D/.unit" || return 1
  read -r _ un_active _ un_load real <"$D/.unit"
  if [ "$un_load" != loaded ] && checkpointed units "$1"; then id_in "$value" "$1"; fi
}

# id_in `ACTIVE FILE-STATE LOAD ID` UNIT: the id in $real.
id_in() {
  case $1 in
    *' '*' '*' '*) real=${1##* } ;;
    *) real=$2 ;;
  esac
}

enable_unit() { # UNIT
  begin_unit enable "$1"
  try systemctl --quiet enable -- "$real"
}

disable_unit() { # UNIT
  begin_unit disable "$1"
  unit_down disable
}

stop_unit() { # UNIT
  begin_unit stop "$1"
  unit_down stop
}

start_unit() { # UNIT SECONDS
  case $1 in *.target) save_waiting "$1" || die "cannot save what \`$1\` would start" ;; esac
  bring_up start "$1" "$2"
}
restart_unit() { bring_up restart "$1" "$2"; } # UNIT SECONDS
reload_unit() { bring_up reload "$1" "$2"; }   # UNIT SECONDS

bring_up() { # start|restart|reload UNIT SECONDS
  begin_unit "$1" "$2"
  unit_up "$1" "$3"
  started="$started $2"
}
started=

# begin_unit ACTION UNIT: sets $real, $un_active and $un_load.
begin_unit() {
  step "unit $1 $2" "$1_unit" "$2"
  real_name "$2" || die "cannot ask systemd for \`$2\`: $(last_lines)"
}

# unit_down disable|stop: $real. One that is gone or masked is as it should be.
unit_down() {
  case $un_load:$un_active in
    not-found:inactive | not-found:failed | masked:inactive | masked:failed)
      printf 'as it should be: %s is %s\n' "$real" "$un_load"
      # Links that lead nowhere now.
      if [ "$1:$un_load" = disable:not-found ]; then systemctl --quiet disable -- "$real" >/dev/null 2>&1 || :; fi
      ;;
    masked:*) if [ "$1" = stop ]; then try systemctl stop -- "$real"; fi ;;
    *) try systemctl --quiet "$1" -- "$real" ;;
  esac
}

# systemctl_up ACTION UNIT SECONDS: systemd refuses to listen anew while the service of a socket runs.
systemctl_up() {
  su_service=${2%.socket}.service
  if [ "$1" = restart ] && [ "$su_service" != "$2.service" ] && systemctl --quiet is-active -- "$su_service"; then
    timeout "$3" systemctl stop -- "$2" "$su_service" && timeout "$3" systemctl start -- "$2" "$su_service"
  else
    timeout "$3" systemctl "$1" -- "$2"
  fi
}

# unit_up start|restart|reload SECONDS: $real.
unit_up() {
  up_action=$1
  if is_ssh_service; then ssh_action; fi
  case $up_action in
    nothing) return ;;
    reload) up_action=reload-or-restart ;;
    *)
      # Without this systemd refuses to start a unit that failed too often.
      systemctl reset-failed -- "$real" 2>/dev/null || :
      ;;
  esac
  up_since=$(date +%s)
  systemctl_up "$up_action" "$real" "$2" >"$D/.systemctl" 2>&1
  up_status=$?
  cat "$D/.systemctl"
  if [ "$up_status" -eq 0 ]; then return; fi
  unit_words "$real" "$up_since"
  # systemd's own message is the cause, unless it only says where to look.
  case $(head -n 1 "$D/.systemctl") in
    '' | 'Job for '*) ;;
    *) words=$(head -n 1 "$D/.systemctl") ;;
  esac
  if [ "$up_status" -eq 124 ]; then words="not done within $2 s${words:+; $words}"; fi
  keep_run_sshd
  die "\`$this\`: ${words:-ended with $up_status}"
}

# unit_words UNIT SINCE: sets $words to what UNIT logged since then, in one line; if it logged nothing, to what systemd says.
# Not what others did in its control group: without pam_systemd, sessions live in the one of sshd.
unit_words() {
  journalctl --sync >/dev/null 2>&1 || :
  uw_unit=$1 uw_since=$2
  systemctl show -p ExecStartPre -p ExecStart -p ExecReload -- "$1" >"$D/.exec" || :
  uw_own="_SYSTEMD_UNIT=$uw_unit _TRANSPORT=stdout"
  uw_programs=$(sed -n 's/.*{ path=\([^ ;]*\) ;.*/\1/p' "$D/.exec")
  uw_pids=$(sed -n 's/.* ; pid=\([1-9][0-9]*\) ;.*/\1/p' "$D/.exec")
  for uw_program in $uw_programs; do
    uw_own="$uw_own + _SYSTEMD_UNIT=$uw_unit SYSLOG_IDENTIFIER=${uw_program##*/}"
  done
  # The journal does not know the unit of a process that died at once.
  for uw_pid in $uw_pids; do uw_own="$uw_own + _PID=$uw_pid"; done
  words=$(unit_lines $uw_own)
  if [ -z "$words" ]; then
    words=$(unit_lines _PID=1 UNIT="$uw_unit" + _SYSTEMD_UNIT="$uw_unit" UNIT="$uw_unit")
  fi
}

unit_lines() { # MATCH…
  journalctl --quiet --no-pager --output=cat --lines=20 --since="@$uw_since" "$@" 2>/dev/null |
    grep -v -e '^Start' -e '^Reloading ' -e 'Scheduled restart job' -e '^Stopped ' | uniq >"$D/.words"
  cat "$D/.words" >&2
  # shellcheck disable=SC2016 # `$` is sed's last line
  tail -n 4 "$D/.words" | sed '$!s/$/; /' | tr -d '\000-\037\177' | cut -c 1-600
}

# stop_unit_as_original UNIT: before its files go: as far down as it was before deployctl first managed it.
stop_unit_as_original() {
  if ! saved "$S/original/units" "$1"; then return; fi
  ur_was=$value
  case $ur_was in active' '* | activating' '* | reloading' '*) ;; *) stop_unit "$1" ;; esac
  case $ur_was in *' enabled '*) ;; *)
    begin_unit disable "$1"
    systemctl --quiet disable -- "$real" || : ;;
  esac
}

# start_unit_as_original UNIT: after its files are back: as far up as it was. A unit that was removed or masked since stays so.
start_unit_as_original() {
  if ! saved "$S/original/units" "$1"; then return; fi
  uo_was=$value
  real_name "$1" || die "cannot ask systemd for \`$1\`: $(last_lines)"
  case $un_load in
    not-found | masked)
      printf 'stays as it is: %s is %s\n' "$1" "$un_load"
      return
      ;;
  esac
  case $uo_was in *' enabled '*) enable_unit "$1" ;; esac
  case $uo_was in active' '*) restart_unit "$1" 120 ;; esac
}

# save_waiting TARGET: names what starts with it and does not run now, in $D/checkpoint/waiting.
save_waiting() {
  systemctl list-dependencies --all --full --plain --no-pager -- "$1" >"$D/.wanted" || return
  set -f
  # shellcheck disable=SC2046 # a name a line
  set -- $(sed -e 1d -e 's/^[^[:alnum:]]*//' -e '/^deployctl-/d' "$D/.wanted" | sort -u)
  set +f
  rm -f "$D/.wanted"
  if [ "$#" -eq 0 ]; then return; fi
  # Its status says only whether one of them runs.
  sa_states=$(systemctl is-active -- "$@") || :
  while IFS= read -r sa_state; do
    case $sa_state in active | activating | reloading) ;; *) printf '%s\n' "$1" ;; esac
    shift
  done >>"$D/checkpoint/waiting" <<STATES
$sa_states
STATES
}

# stop_waiting: stops what has started with a target since. A boot has started things of its own.
stop_waiting() {
  if left_to_boot || [ ! -e "$D/checkpoint/waiting" ]; then return; fi
  while IFS= read -r sw_unit; do
    if ! runs_now "$sw_unit"; then continue; fi
    begin "stop $sw_unit"
    systemctl stop -- "$sw_unit"
    if runs_now "$sw_unit" && ! left_to_boot; then note_leftover "unit \`$sw_unit\` runs, and did not before"; fi
  done <"$D/checkpoint/waiting"
}

runs_now() {
  case $(systemctl is-active -- "$1") in active | activating | reloading) return 0 ;; esac
  return 1
}

# stop_unit_as_before UNIT: first part of a rollback, while the new unit files are still there.
stop_unit_as_before() {
  if ! touched_unit "$1" || ! checkpointed units "$1"; then return; fi
  case $1 in *.target) stop_waiting ;; esac
  id_in "$value" "$1"
  case $value in
    active' '* | activating' '* | reloading' '*) ;;
    *)
      begin "stop $1"
      if left_to_boot; then
        systemctl --no-block stop -- "$real" 2>/dev/null || :
      else
        systemctl stop -- "$real" || :
      fi
      ;;
  esac
  case $value in
    *' enabled '*) ;;
    *) if journal_has enable_unit "$1"; then systemctl --quiet disable -- "$real" || :; fi ;;
  esac
}

# restore_unit_state UNIT SECONDS: last part of a rollback.
restore_unit_state() {
  if ! touched_unit "$1" || ! checkpointed units "$1"; then return; fi
  ub_was=$value
  id_in "$value" "$1"
  case $ub_was in
    *' enabled '*)
      if journal_has disable_unit "$1"; then
        begin "enable $1"
        systemctl --quiet enable -- "$real" || note_leftover "unit \`$1\` is not enabled as it was"
      fi
      ;;
  esac
  if left_to_boot; then return; fi
  # It ran before and still does, and to restart it would start what it had not started.
  case $1:$ub_was in *.target:active' '*) return ;; esac
  systemctl reset-failed -- "$real" 2>/dev/null || :
  case $ub_was in
    active' '* | activating' '* | reloading' '*)
      begin "restart $1"
      if ! systemctl_up restart "$real" "$2" && ! going_down; then
        if could_start "$ub_was"; then
          note_leftover "unit \`$1\` does not start as it did"
        else
          printf 'told: %s ran, and nothing could have started it again before this apply either\n' "$1"
        fi
      fi
      ;;
  esac
}

# could_start `ACTIVE FILE-STATE LOAD ID`: its unit file was there. One that was deleted under a unit that runs was not.
could_start() {
  case $1 in
    *' not-found '* | *' masked '* | *' bad-setting '* | *' error '*) return 1 ;;
  esac
}

touched_unit() {
  for tu_action in start stop restart reload enable disable; do
    if journal_has "${tu_action}_unit" "$1"; then return 0; fi
  done
  return 1
}

# is_job UNIT: a timer or a person started it, and this apply does not touch it.
is_job() {
  case $1 in *.service) ;; *) return 1 ;; esac
  if saved "$D/checkpoint/units" "$1"; then return 1; fi
  case $(systemctl show --property=Transient,TriggeredBy -- "$1") in
    *Transient=yes* | *TriggeredBy=*.timer*) return 0 ;;
  esac
  return 1
}

# check_started_units: each started unit is active or ended well, and no unit failed that had not failed before.
check_started_units() {
  if [ "$manager" != systemd ]; then return; fi
  if [ -n "$started" ]; then
    # A program that dies at once needs a moment to do so.
    us_since=$(($(date +%s) - 1))
    sleep 1
    begin "look at the units"
    unit_states $started >"$D/.started" || die "cannot ask systemd for the state of units: $(last_lines)"
    while read -r su_unit su_active _ _ su_id; do
      case $su_active in
        failed | activating)
          unit_words "$su_id" "$us_since"
          keep_run_sshd
          die "\`$su_unit\` is $su_active after its start: $words"
          ;;
      esac
    done <"$D/.started"
  fi
  failed_now=$(systemctl list-units --state=failed --plain --no-legend --full | cut -d ' ' -f 1)
  for su_unit in $failed_now; do
    case $su_unit in deployctl-*) continue ;; esac
    if saved "$D/baseline" "$su_unit"; then continue; fi
    if is_job "$su_unit"; then
      printf 'the job %s failed in its own time: no rollback\n' "$su_unit"
      continue
    fi
    die "\`$su_unit\` failed, and had not failed before"
  done
}

verify_units() {
  if [ -n "$boot_mode" ] || [ ! -s "$D/checkpoint/units" ]; then return; fi
  vu_units=
  while read -r vu_unit _ _ _ vu_id; do vu_units="$vu_units ${vu_id:-$vu_unit}"; done <"$D/checkpoint/units"
  unit_states $vu_units >"$D/.after" || {
    note_leftover "cannot ask systemd for the state of units"
    return
  }
  vu_stopping=
  if going_down; then
    vu_stopping=1
    printf 'told: the host goes down, so its next boot decides what runs\n'
  fi
  exec 3<"$D/.after"
  while read -r vu_unit vu_was vu_was_file vu_load vu_id; do
    read -r _ vu_is vu_is_file _ <&3
    if [ -n "$vu_stopping" ] || ! could_start "$vu_was $vu_was_file $vu_load $vu_id"; then vu_was=$vu_is; fi
    case $vu_was:$vu_is in
      active:active | inactive:inactive | failed:* | inactive:failed | activating:* | reloading:* | deactivating:*) ;;
      active:*) note_leftover "unit \`$vu_unit\` is $vu_is and was active" ;;
      *:active | *:activating) note_leftover "unit \`$vu_unit\` is $vu_is and was $vu_was" ;;
    esac
    case $vu_was_file:$vu_is_file in
      enabled:enabled) ;;
      enabled:* | *:enabled) note_leftover "unit \`$vu_unit\` is ${vu_is_file} and was ${vu_was_file}" ;;
    esac
  done <"$D/checkpoint/units"
  exec 3<&-
}

