using DriverLab.Guest.Transport;

namespace DriverLab.Guest;

/// <summary>The one place where the guest's transport meets the scenario runner and the native kernel.</summary>
internal static class GuestServices
{
    public static Services Create() => new(
        (_, _) => throw new GuestException("this guest program runs no scenarios"),
        _ => throw new GuestException("this guest program answers no kernel calls"));
}
