# shellcheck shell=bash
# For tests that hold several runs against one another, after world: worlds of their own
# in its cluster, and what two of them must have in common.  The uploads of a world are
# those of the directory source.kept.
place() {		# place NAME: its settings become this shell's
	apart -c "create database $1"
	IMGP_DATABASE=$(echo "$OWNER" | sed "s/dbname=[^ ]*/dbname=$1/")
	mkdir "$1" "$1/images" "$1/temp" "$1/mail" "$1/spool"
	cp -r source.kept "$1/source"
	export IMGP_DATABASE IMGP_REPLICA="$IMGP_DATABASE" IMGP_SOURCE="file://$WORK/$1/source" \
	    IMGP_TEMP="file://$WORK/$1/temp" IMGP_DESTINATION="file://$WORK/$1/images" \
	    IMGP_SPOOL="$WORK/$1/spool" IMGP_MAIL="file://$WORK/$1/mail"
	"$ROOT/scripts/load-sql" "$IMGP_DATABASE" --sample
}
# What two worlds may differ in: runs, times, leases, and what tells of these.
dump() {		# dump NAME
	"$ROOT/tests/check-invariants" --dump >"$1.dump"
	sed -E 's/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}/RUN/g; s/20[0-9]{6}_[0-9]{6}/TIME/g
	    s/20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+(\+[0-9:]+|Z)?/TIME/g
	    s/^([A-Z]+ .*) [0-9]{19} /\1 /
	    s/"(lease|claim)": ("[0-9a-f]+"|[0-9]+)/"\1": N/g
	    s/^((SOURCE|LOGS) image_pipelines.*|MAIL .*) [0-9a-f]{64}$/\1/
	    s/^MAIL .*/MAIL/; s,'"$WORK/$1"',W,g' "$1.dump"
}
