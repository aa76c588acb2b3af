#!/bin/bash
# Every line of the manual's EXAMPLES that can run here is run as a reader sees it
# (.Dl lines and literal blocks), in a world with a run behind it.
. "$(dirname "$0")/lib/lib.sh"
world
imgp-run -q 1201 1204 1299 >finished.jsonl 2>/dev/null
printf '%s\n' 1202 1299 >ids.txt
src=$WORK/source/subjecteventcrffile
cp "$src/301/5101/mri_zip/v1.zip" scan.zip
cp "$src/305/5109/dat scan_zip/v1 a.zip" one.zip
cp "$src/301/5102/ct_file/v1.dcm" one.dcm
imgp-dcmscan scan.zip | jq -c '.scans[].series |= (to_entries |
    map(.value + {atri_uid: "77.\(.key + 1)"}))' >scans.json

imgp-lookup 1203 | imgp-record start | imgp-s3cp source local | imgp-dcmscan |
    imgp-record scans | imgp-stamp | imgp-s3cp local temp >staged.jsonl

command -v mandoc >/dev/null || skip_all 'mandoc is not there'
# The examples of a page, each ended by a NUL: a line, or a block's lines.  How many
# lines one has its source tells, the text is what mandoc shows.
examples() {
	mandoc -Tascii -Owidth=500 "$1" | col -bx |
	    sed -n '/^EXAMPLES/,/^[A-DF-Z]/s/^ \{11\}//p' >shown
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$1" | awk '
	    function show() { if ((getline text <"shown") != 1) exit 1; return text }
	    /^\.Dl / { printf "%s%c", show(), 0 }
	    /^\.Bd / { block = 1; lines = ""; next }
	    /^\.Ed/ { if (lines != "") printf "%s%c", lines, 0; block = 0 }
	    block { lines = lines (lines == "" ? "" : "\n") (/./ ? show() : "") }
	    END { if ((getline text <"shown") == 1) exit 1 }'
}
for page in "$ROOT"/man/*.1 "$ROOT"/man/*.5 "$ROOT"/man/*.7; do
	name=${page##*/}
	is_long || [ "$name" != imgpipe-engines.7 ] || continue
	examples "$page" >lines ||
	    { ok 1 "$name: a line for each example"; continue; }
	some=0
	while IFS= read -r -d '' line <&3; do
		case $line in
		*s3://*|*https://*|*IMGP_SSH_HOSTS=*|*IMGP_SBATCH=*|*smtp:*|*mutt*|[*0-9]*|'{'*|'spool ='*)
			# Another's service or machines, a reader at a terminal, a line for
			# cron, an extract of a file.
			continue ;;
		esac
		is_long || [ $((some += 1)) -le 1 ] || break
		# A directory in an example is one of this world.
		line=${line//\/tmp\//$WORK/}
		line=${line//\/srv\/images/$WORK/images}
		bash -c "$line" </dev/null >out 2>err
		rc=$?
		# 1: a job has errors, as the missing id in ids.txt has.
		[ $rc -le 1 ] && ! grep -q 'command not found\|No such file' err
		ok $? "$name: ${line//$'\n'/ }" || { echo "status $rc"; cat err; } | diag
	done 3<lines
	is_long || sql "update pipeline.edcpipeline set paused_until = now() - interval '1 s'
	    where code = 'image' and paused"
done
[ "$_n" -ge 10 ]
ok $? 'there were examples'
done_testing
