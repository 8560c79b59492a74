/**
 * The one bit of the connection mark that says "fairlead translated this connection": set by every backend on the
 * flows it sends to an endpoint, read by the rule in DOCKER-USER. Set it with `ct mark or`, never overwrite the rest.
 * Bit 28 is outside what others use: Kubernetes 0xc000, CNI portmap 0x2000, Tailscale 0xff0000, Netbird 0x1bdxx.
 */
export const CT_MARK_BIT = 0x1000_0000;
