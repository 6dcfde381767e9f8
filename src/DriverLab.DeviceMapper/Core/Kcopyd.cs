using System.Buffers;
using DriverLab.Block;

namespace DriverLab.DeviceMapper;

/// <summary>Is told when a copy or a zeroing has ended.</summary>
public interface ICopyCompletion
{
    /// <summary>The work has ended; <see cref="BlkStatus.IoError"/> when any part of it failed.</summary>
    void CopyDone(BlkStatus status);
}

/// <summary>Copies runs of sectors between devices and fills them with zeros, in the background of whoever asks.</summary>
/// <remarks>Linux drivers/md/dm-kcopyd.c.</remarks>
public sealed class Kcopyd(BlockLayer layer)
{
    private const int PieceSectors = 1024;
    private static readonly byte[] s_zeros = new byte[PieceSectors * 512];
    private readonly Stack<Job> _jobs = new();

    /// <summary>Copies sectors.</summary>
    public void Copy(BlockDevice from, long fromSector, BlockDevice to, long toSector, long sectors, ICopyCompletion done) => Start(from, fromSector, to, toSector, sectors, done);

    /// <summary>Fills sectors with zeros.</summary>
    public void Zero(BlockDevice to, long toSector, long sectors, ICopyCompletion done) => Start(null, 0, to, toSector, sectors, done);

    private void Start(BlockDevice? from, long fromSector, BlockDevice to, long toSector, long sectors, ICopyCompletion done)
    {
        if (!_jobs.TryPop(out var job))
            job = new Job(this);
        job.From = from;
        job.Buffer = from is null ? s_zeros : ArrayPool<byte>.Shared.Rent(PieceSectors * 512);
        job.FromSector = fromSector;
        job.To = to;
        job.ToSector = toSector;
        job.Rest = sectors;
        job.Done = done;
        job.Next();
    }

    private sealed class Job(Kcopyd owner) : BioCompletion
    {
        /// <summary>Rented for a copy.</summary>
        public byte[] Buffer = s_zeros;
        public BlockDevice? From;
        public BlockDevice To = null!;
        public long FromSector, ToSector, Rest;
        public ICopyCompletion Done = null!;
        private bool _isReading;

        /// <summary>Starts the next piece, or ends.</summary>
        public void Next()
        {
            if (Rest == 0)
            {
                End(BlkStatus.OK);
                return;
            }
            if (From is null)
                Send(BioOp.Write, To, ToSector);
            else
                Send(BioOp.Read, From, FromSector);
        }

        private void Send(BioOp op, BlockDevice device, long sector)
        {
            _isReading = op == BioOp.Read;
            var bio = owner.Layer.AllocBio();
            bio.Device = device;
            bio.Op = op;
            bio.Sector = sector;
            bio.Sectors = (int)Math.Min(Rest, PieceSectors);
            bio.Data = Buffer;
            bio.Completion = this;
            owner.Layer.Submit(bio);
        }

        public override void EndIo(Bio bio)
        {
            var status = bio.Status;
            owner.Layer.Free(bio);
            if (status != BlkStatus.OK)
            {
                End(BlkStatus.IoError);
                return;
            }
            if (_isReading)
            {
                Send(BioOp.Write, To, ToSector);
                return;
            }
            long piece = Math.Min(Rest, PieceSectors);
            Rest -= piece;
            FromSector += piece;
            ToSector += piece;
            Next();
        }

        private void End(BlkStatus status)
        {
            var done = Done;
            if (From is not null)
                ArrayPool<byte>.Shared.Return(Buffer);
            owner._jobs.Push(this);
            owner.HasFailedReading = status != BlkStatus.OK && _isReading;
            done.CopyDone(status);
        }
    }

    /// <summary>True while a completion is told of a copy that could not be read; else it is the writing that failed.</summary>
    public bool HasFailedReading { get; private set; }

    private BlockLayer Layer => layer;
}
