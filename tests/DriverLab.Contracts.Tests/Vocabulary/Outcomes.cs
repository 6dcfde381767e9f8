using DriverLab.Linux;
using DriverLab.Linux.Abi;
using NUnit.Framework.Constraints;

namespace DriverLab.Contracts.Tests;

/// <summary>Words for the outcomes of system calls: <c>Is.Success</c> and <c>Does.FailWith(Errno.ENOTEMPTY)</c>, for an <see cref="Errno"/> or any <see cref="SysResult{T}"/>.</summary>
internal static class Outcomes
{
    extension(Is)
    {
        /// <summary>The call succeeded.</summary>
        public static Constraint Success => new ErrnoConstraint(Errno.OK);
    }

    extension(Does)
    {
        /// <summary>The call failed with this error number.</summary>
        public static Constraint FailWith(Errno error) => new ErrnoConstraint(error);
    }

    private sealed class ErrnoConstraint(Errno expected) : Constraint
    {
        public override string Description => expected == Errno.OK ? "success" : $"{expected}";

        public override ConstraintResult ApplyTo<TActual>(TActual actual)
        {
            var error = actual switch
            {
                Errno plain => plain,
                SysResult<int> count => count.Error,
                SysResult<long> offset => offset.Error,
                SysResult<Fd> descriptor => descriptor.Error,
                SysResult<OpenFlags> flags => flags.Error,
                _ => throw new ArgumentException($"an outcome is an Errno or a SysResult, not {typeof(TActual)}"),
            };
            return new ConstraintResult(this, error == Errno.OK ? actual : error, error == expected);
        }
    }
}
