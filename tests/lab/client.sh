# The client's part of the boot. It mounts the share at /run/share4, with NFS 4.2 on every node, and at /run/mixed,
# with a protocol version that differs between nodes (MIXED is this node's).

modprobe nfs
modprobe nfsv4
modprobe nfsv3
rpcbind -w
rpc.statd

mount_share() {
    mkdir "$3"
    for _ in 1 2 3 4 5; do
        mount -t nfs -o "vers=$1" "$2" "$3" && return
        sleep 1
    done
    return 1
}

mount_share 4.2 "$SERVER:/" /run/share4
case $MIXED in
3) mount_share 3 "$SERVER:/run/disk/share" /run/mixed ;;
*) mount_share "$MIXED" "$SERVER:/" /run/mixed ;;
esac
