using DriverLab.Containerd.Wire;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Snapshots;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace DriverLab.Containerd;

/// <summary>containerd's snapshots service: turns wire messages into calls of a <see cref="SnapshotStore"/> and its faults into gRPC statuses. Decides nothing.</summary>
internal sealed class SnapshotsService(SnapshotStore store) : Snapshots.SnapshotsBase
{
    private const int InfosInOneAnswer = 100;

    public override Task<PrepareSnapshotResponse> Prepare(PrepareSnapshotRequest request, ServerCallContext context)
    {
        var answer = new PrepareSnapshotResponse();
        answer.Mounts.Add(Wire(Value(store.Prepare(request.Key, request.Parent, request.Labels.ToDictionary()))));
        return Task.FromResult(answer);
    }

    public override Task<ViewSnapshotResponse> View(ViewSnapshotRequest request, ServerCallContext context)
    {
        var answer = new ViewSnapshotResponse();
        answer.Mounts.Add(Wire(Value(store.View(request.Key, request.Parent, request.Labels.ToDictionary()))));
        return Task.FromResult(answer);
    }

    public override Task<MountsResponse> Mounts(MountsRequest request, ServerCallContext context)
    {
        var answer = new MountsResponse();
        answer.Mounts.Add(Wire(Value(store.Mounts(request.Key))));
        return Task.FromResult(answer);
    }

    public override Task<Empty> Commit(CommitSnapshotRequest request, ServerCallContext context)
    {
        if (request.Parent.Length > 0)
            throw new RpcException(new Status(StatusCode.Unimplemented, $"commit of {request.Key} onto another parent ({request.Parent}) is not implemented"));
        return Done(store.Commit(request.Name, request.Key, request.Labels.ToDictionary()));
    }

    public override Task<Empty> Remove(RemoveSnapshotRequest request, ServerCallContext context) => Done(store.Remove(request.Key));

    public override Task<StatSnapshotResponse> Stat(StatSnapshotRequest request, ServerCallContext context) =>
        Task.FromResult(new StatSnapshotResponse { Info = Wire(Value(store.Stat(request.Key))) });

    public override Task<UpdateSnapshotResponse> Update(UpdateSnapshotRequest request, ServerCallContext context)
    {
        if (request.Info is null)
            throw new RpcException(new Status(StatusCode.InvalidArgument, "an update without info: invalid argument"));
        var wanted = new SnapshotInfo(request.Info.Name, request.Info.Parent, (SnapshotKind)request.Info.Kind, default, default, request.Info.Labels.ToDictionary());
        return Task.FromResult(new UpdateSnapshotResponse { Info = Wire(Value(store.Update(wanted, [.. request.UpdateMask?.Paths ?? []]))) });
    }

    public override async Task List(ListSnapshotsRequest request, IServerStreamWriter<ListSnapshotsResponse> responseStream, ServerCallContext context)
    {
        foreach (var part in store.List(Value(SnapshotFilter.Parse(request.Filters))).Chunk(InfosInOneAnswer))
        {
            var answer = new ListSnapshotsResponse();
            answer.Info.AddRange(part.Select(Wire));
            await responseStream.WriteAsync(answer, context.CancellationToken);
        }
    }

    public override Task<UsageResponse> Usage(UsageRequest request, ServerCallContext context)
    {
        var (bytes, inodes) = Value(store.Usage(request.Key));
        return Task.FromResult(new UsageResponse { Size = bytes, Inodes = inodes });
    }

    public override Task<Empty> Cleanup(CleanupRequest request, ServerCallContext context) => Done(store.Cleanup());

    private static Task<Empty> Done(SnapshotFault? fault) => fault is null ? Task.FromResult(new Empty()) : throw Failure(fault);

    private static T Value<T>(SnapshotResult<T> result) => result.Fault is null ? result.Value : throw Failure(result.Fault);

    private static RpcException Failure(SnapshotFault fault) => new(new Status(fault.Code switch
    {
        SnapshotCode.NotFound => StatusCode.NotFound,
        SnapshotCode.AlreadyExists => StatusCode.AlreadyExists,
        SnapshotCode.InvalidArgument => StatusCode.InvalidArgument,
        SnapshotCode.FailedPrecondition => StatusCode.FailedPrecondition,
        SnapshotCode.ResourceExhausted => StatusCode.ResourceExhausted,
        SnapshotCode.Unknown => StatusCode.Unknown,
    }, fault.Message));

    private static Mount Wire(LayerMount mount)
    {
        var wire = new Mount { Type = mount.Type, Source = mount.Source };
        wire.Options.AddRange(mount.Options);
        return wire;
    }

    private static Info Wire(SnapshotInfo info)
    {
        var wire = new Info
        {
            Name = info.Name,
            Parent = info.Parent,
            Kind = (Kind)info.Kind,
            CreatedAt = Timestamp.FromDateTimeOffset(info.Created),
            UpdatedAt = Timestamp.FromDateTimeOffset(info.Updated),
        };
        foreach (var (key, value) in info.Labels)
            wire.Labels.Add(key, value);
        return wire;
    }
}
