# Two machines, each a network namespace, on two networks; on the first, nothing but broadcasts gets through.
# Usage, in a network namespace of one's own: two-networks.sh <command that starts a node, but for its id and directory>
set -e
ip link set lo up
unshare --net sleep 120 & other=$!
trap 'kill $other' EXIT
until nsenter --target $other --net ip link set lo up && [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
for network in 1 2; do
  ip link add a$network type veth peer name b$network
  ip link set b$network netns $other
  ip addr add 10.$network.0.1/24 brd + dev a$network
  ip link set a$network up
  nsenter --target $other --net ip addr add 10.$network.0.2/24 brd + dev b$network
  nsenter --target $other --net ip link set b$network up
done
# A wrong hardware address: frames to it are dropped, broadcasts are not.
ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:99 dev a1 nud permanent
nsenter --target $other --net ip neigh replace 10.1.0.1 lladdr 02:00:00:00:00:99 dev b1 nud permanent
nsenter --target $other --net "$@" --node-id shop-b --data-dir "$PWD/b" &
"$@" --node-id shop-a --data-dir "$PWD/a"
