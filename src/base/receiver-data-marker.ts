/** The file that makes a folder a receiver's data folder. No device ever syncs such a folder away. */
export const receiverDataMarker = 'longshore-receiver.json'
