# CPU numbers as the kernel and systemd write them: [ 4 5 6 7 12 ] becomes "4-7,12".
cpus:
let
  sorted = builtins.sort builtins.lessThan cpus;
  # [ { first, last } ], adjacent numbers joined.
  spans = builtins.foldl' (
    spans: cpu:
    let
      count = builtins.length spans;
      before = builtins.elemAt spans (count - 1);
      others = builtins.genList (builtins.elemAt spans) (count - 1);
    in
    if count > 0 && cpu <= before.last + 1 then
      others ++ [ (before // { last = cpu; }) ]
    else
      spans
      ++ [
        {
          first = cpu;
          last = cpu;
        }
      ]
  ) [ ] sorted;
  show =
    span:
    if span.first == span.last then
      toString span.first
    else
      "${toString span.first}-${toString span.last}";
in
builtins.concatStringsSep "," (map show spans)
