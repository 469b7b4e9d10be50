# A program that exits 0 outside market hours and 1 within them; `session` is null for none.
{ lib, session }:
let
  names = [
    "Mon"
    "Tue"
    "Wed"
    "Thu"
    "Fri"
    "Sat"
    "Sun"
  ];
  numberOf = name: (lib.findFirst (found: found.name == name) null numbered).number;
  numbered = lib.imap1 (number: name: { inherit number name; }) names;

  # "Mon-Fri", "Sat", "Sun-Thu" or a comma-separated list of such: 1 is Monday, and spans may wrap.
  spanOf =
    span:
    let
      ends = map numberOf (lib.splitString "-" span);
      first = lib.head ends;
      end = lib.last ends;
    in
    if first <= end then lib.range first end else lib.range first 7 ++ lib.range 1 end;
  days = lib.unique (
    lib.sort builtins.lessThan (lib.concatMap spanOf (lib.splitString "," session.days))
  );
  clock = lib.replaceStrings [ ":" ] [ "" ];
in
if session == null then
  ''
    #!/bin/sh
    # Managed by deployctl: change the inventory, not this file.
    # Exits 0 outside market hours, 1 within them.
    exit 0
  ''
else
  ''
    #!/bin/sh
    # Managed by deployctl: change the inventory, not this file.
    # Exits 0 outside market hours, 1 within them.
    set -eu
    TZ=${session.timezone}
    export TZ
    # Exchange holidays are not known here: on them this is stricter than it need be.
    case $(date +%u) in
    ${lib.concatMapStringsSep " | " toString days}) ;;
    *) exit 0 ;;
    esac
    now=$(date +%H%M)
    open=${clock session.open}
    close=${clock session.close}
    # A leading 1 keeps 0900 from being read as octal.
    [ "1$now" -lt "1$open" ] || [ "1$now" -ge "1$close" ]
  ''
