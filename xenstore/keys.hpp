// Every xenstore key that Hushring reads or writes is spelled here and nowhere else.
// Who writes which, when and in which transaction: README.md beside this file.
#pragma once

namespace hush::xenstore::key {

// Both directories
inline constexpr char kState[] = "state";
inline constexpr char kMac[] = "mac";
inline constexpr char kMtu[] = "mtu";

// Of the own domain: which hush-backd this store knows
inline constexpr char kSentinel[] = "data/hush-backd";
// Of the own domain: which life of this guest it is
inline constexpr char kLife[] = "data/hush-guest";

// Backend directory: the toolstack
inline constexpr char kFrontend[] = "frontend";
inline constexpr char kFrontendId[] = "frontend-id";
inline constexpr char kOnline[] = "online";
inline constexpr char kBridge[] = "bridge";
inline constexpr char kScript[] = "script";
inline constexpr char kVifname[] = "vifname";
inline constexpr char kHotplugStatus[] = "hotplug-status";
inline constexpr char kRate[] = "rate";  // also a setting, in the same form

// Backend directory: the back end
inline constexpr char kFeatureSg[] = "feature-sg";
inline constexpr char kFeatureGsoTcpV4[] = "feature-gso-tcpv4";
inline constexpr char kFeatureGsoTcpV6[] = "feature-gso-tcpv6";
inline constexpr char kFeatureIpv6Csum[] = "feature-ipv6-csum-offload";
inline constexpr char kFeatureNoCsum[] = "feature-no-csum-offload";
inline constexpr char kFeatureRxCopy[] = "feature-rx-copy";
inline constexpr char kFeatureRxFlip[] = "feature-rx-flip";
inline constexpr char kMultiQueueMaxQueues[] = "multi-queue-max-queues";
inline constexpr char kFeatureSplitEventChannels[] = "feature-split-event-channels";
inline constexpr char kFeatureMulticastControl[] = "feature-multicast-control";
inline constexpr char kFeatureDynamicMulticastControl[] = "feature-dynamic-multicast-control";
inline constexpr char kFeatureCtrlRing[] = "feature-ctrl-ring";
inline constexpr char kCarrier[] = "carrier";
// The area path (common/area/README.md, section 2)
inline constexpr char kFeatureHushArea[] = "feature-hush-area";
inline constexpr char kHushAreaStall[] = "hush-area-stall";
inline constexpr char kHushAreaGeneration[] = "hush-area-generation";
inline constexpr char kHushAreaRefused[] = "hush-area-refused";
inline constexpr char kHushAreaSession[] = "hush-area-session";
inline constexpr char kHushAreaFirst[] = "hush-area-first";
inline constexpr char kHushAreaTarget[] = "hush-area-target";  // of a queue, as the next
inline constexpr char kHushAreaAnswer[] = "hush-area-answer";

// Frontend directory: the toolstack
inline constexpr char kBackend[] = "backend";
inline constexpr char kBackendId[] = "backend-id";

// Frontend directory: the front end
inline constexpr char kTxRingRef[] = "tx-ring-ref";
inline constexpr char kRxRingRef[] = "rx-ring-ref";
inline constexpr char kEventChannel[] = "event-channel";
inline constexpr char kEventChannelTx[] = "event-channel-tx";
inline constexpr char kEventChannelRx[] = "event-channel-rx";
inline constexpr char kCtrlRingRef[] = "ctrl-ring-ref";
inline constexpr char kEventChannelCtrl[] = "event-channel-ctrl";
inline constexpr char kRequestMulticastControl[] = "request-multicast-control";
inline constexpr char kRequestRxCopy[] = "request-rx-copy";
inline constexpr char kFeatureRxNotify[] = "feature-rx-notify";
inline constexpr char kMultiQueueNumQueues[] = "multi-queue-num-queues";
inline constexpr char kQueuePrefix[] =
    "queue-";  // queue-N/: the ring and channel keys where there are several

inline constexpr char kHushAreaVersion[] = "hush-area-version";
inline constexpr char kHushAreaRef[] = "hush-area-ref";
inline constexpr char kHushAreaPages[] = "hush-area-pages";
inline constexpr char kHushAreaOffer[] = "hush-area-offer";
inline constexpr char kHushAreaDeclined[] = "hush-area-declined";

// What an admin sets: the tree hushring/ of the back end's domain, and hushring/ in a backend directory,
// where no key of the protocol lies
inline constexpr char kHushring[] = "hushring";
inline constexpr char kForAll[] = "default";          // hushring/default/KEY
inline constexpr char kForDomain[] = "domain";        // hushring/domain/NAME/KEY
inline constexpr char kForMac[] = "mac";              // hushring/mac/00-16-3e-00-00-01/KEY
inline constexpr char kForVif[] = "vif";              // hushring/vif/DOMID/HANDLE/KEY
inline constexpr char kLogLevel[] = "log-level";      // of the daemon: hushring/log-level
inline constexpr char kAreaBudget[] = "area-budget";  // of the daemon as well
inline constexpr char kMaxQueues[] = "max-queues";
inline constexpr char kOffloadChecksum[] = "offload-checksum";
inline constexpr char kOffloadSegmentation[] = "offload-segmentation";
inline constexpr char kScatterGather[] = "scatter-gather";
inline constexpr char kMulticastControl[] = "multicast-control";
inline constexpr char kRxStallTimeout[] = "rx-stall-timeout";
inline constexpr char kRxDrainTimeout[] = "rx-drain-timeout";
inline constexpr char kGrantBudget[] = "grant-budget";
inline constexpr char kAreaLimit[] = "area-limit";
inline constexpr char kAreaStall[] = "area-stall";
inline constexpr char kAreaMin[] = "area-min";
inline constexpr char kAreaMax[] = "area-max";
inline constexpr char kAreaTx[] = "area-tx";
inline constexpr char kAreaRx[] = "area-rx";
inline constexpr char kAreaShrinkAfter[] = "area-shrink-after";
inline constexpr char kAreaCooldown[] = "area-cooldown";
inline constexpr char kPollMode[] = "poll-mode";  // this and the next two: in the frontend directory too
inline constexpr char kPollMin[] = "poll-min";
inline constexpr char kPollMax[] = "poll-max";
inline constexpr char kPort[] = "port";
inline constexpr char kPortFrame[] = "port-frame";
inline constexpr char kWire[] = "wire";
inline constexpr char kPortBatch[] = "port-batch";
inline constexpr char kWorkload[] = "workload";

// Elsewhere
inline constexpr char kLocalDomain[] = "/local/domain";
inline constexpr char kName[] = "name";  // /local/domain/DOMID/name
inline constexpr char kDomid[] = "domid";
inline constexpr char kBackendVif[] = "backend/vif";  // relative to the back end's domain
inline constexpr char kDeviceVif[] = "device/vif";    // relative to the guest
inline constexpr char kError[] = "error";  // error/<path of the device>/error, as the kernel's xenbus

}  // namespace hush::xenstore::key
