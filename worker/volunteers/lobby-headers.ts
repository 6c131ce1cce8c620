// What the route tells a lobby on the upgrade request. Set there, whatever a client sent.
export const NETWORK_HEADER = 'x-manyhands-network';
