namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>Makes an xfs on a device, with mkfs.xfs where the driver's kernel runs: a driver makes system calls only, so whoever opens it lends it the program.</summary>
/// <param name="device">The block device's node.</param>
/// <param name="uuid">The file system's identity in the usual form, 36 characters.</param>
/// <param name="arguments">The words of <c>dm.mkfsarg</c>.</param>
/// <returns>Why there is none; what was written to the device then does not matter.</returns>
public delegate DriverError? MakeXfs(string device, string uuid, IReadOnlyList<string> arguments);
